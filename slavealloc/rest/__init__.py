"""The REST API for people and their tools."""
