"""The command `aloe`: options in, files out. app.py runs it, the other files hold its commands."""
