"""The reference front end: pages over the board and the client, for any number of workers."""
