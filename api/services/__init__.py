"""What the routes stand on: one service a room, each shared by JSON and pages."""
