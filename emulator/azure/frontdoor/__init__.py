"""The inference front door of online endpoints. See app.py."""
