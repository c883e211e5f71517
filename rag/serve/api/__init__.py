"""The server's own JSON API, ``/api/v1``, which the page also uses."""
