// The panels that show the network in pictures; entries as in panels.js. One that isn't there yet isn't in the list.

/** Network, servers, balancing, traffic, requests, drills. */
export const VIEWS = [
];
