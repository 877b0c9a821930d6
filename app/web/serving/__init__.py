"""Server processes: sockets, connections, workers, and shutdown."""
