"""The live server: folds bus events into a view per symbol and streams it to browsers.

Suggested reading order: `protocol.server_messages`, `view.projection`, `hub.hub`, `websocket.session`,
`websocket.transport`, `hub.feed`, `http.app`, `app`.
"""
