//! Every controller needs these: leader lease, health and metrics, Events, the API-server client, shutdown.
