"""The server: how it is started, which paths it shows, who may look."""
