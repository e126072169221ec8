// The panels that show the network in pictures; entries as in panels.js.

/** Network, servers, balancing, traffic, requests, drills. */
export const VIEWS = [
  { name: "network", title: "Network overview", short: "Network", icon: "network", group: "Watch", permission: "control:read", bar: true, load: () => import("./panels/network.js") },
  { name: "servers", title: "Server performance", icon: "servers", group: "Watch", permission: "control:read", load: () => import("./panels/servers.js") },
  { name: "balancing", title: "Load balancer analytics", icon: "balancing", group: "Watch", permission: "control:read", load: () => import("./panels/balancing.js") },
  { name: "traffic", title: "Traffic analysis", icon: "traffic", group: "Watch", load: () => import("./panels/traffic.js") },
  { name: "requests", title: "Request explorer", icon: "requests", group: "Watch", permission: "tap:read", load: () => import("./panels/requests.js") },
  { name: "drills", title: "Failure drills", icon: "drills", group: "Operate", permission: "control:read", load: () => import("./panels/drills.js") },
];
