"""Messages to a real mail server and to a stand-in for ntfy, on loopback."""
