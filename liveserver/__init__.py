"""The live server: folds the bus into a view of every symbol and shows it in browsers.

Read in this order: `messages`, `projection` (and the folds it is made of), `hub`, `session`, `viewer_socket`, `feed`,
`http`, `app`.
"""
