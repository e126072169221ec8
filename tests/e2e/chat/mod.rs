//! The chat of those who operate the network, over a plain WebSocket and by `micronet chat`.

mod command;
mod python;
mod slow;
mod talker;
mod talks;
