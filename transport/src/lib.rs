//! Sockets, time and drivers for micronet-wire: server, client, upstream pools.
