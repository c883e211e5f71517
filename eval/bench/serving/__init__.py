"""Parts of the server race: a served collection, clients in a separate process, and measurements."""
