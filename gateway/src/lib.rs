//! The gateway: HTTP/1.1, routes from fetched schemas, transcoding, balancing.
