"""Calls to build daemons, and what they answer: HTTP, XML-RPC, both dialects."""
