"""Any model string as an OpenAI-compatible endpoint on loopback: server_app.py answers, server.py runs it."""
