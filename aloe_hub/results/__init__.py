"""Reading finished runs and counting what is in them: what report, hub and audit stand on."""
