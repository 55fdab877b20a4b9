"""Pages and HTTP API, server-rendered."""
