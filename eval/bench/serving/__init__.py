"""What the race of the server is made of: a served collection, clients in a process of their own, and observations."""
