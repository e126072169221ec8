// Put into the page before anything else: once the feed has told of the network, it tells besides of a service with a hundred instances, whose
// figures all change with each message, and of a thousand events a second.
(() => {
    const MESSAGES_A_SECOND = 5;
    const EVENTS_A_MESSAGE = 200;
    const INSTANCES = 100;
    const crowd = (window.crowd = { messages: 0, events: 0, frames: 0, going: true });
    const count = () => {
        crowd.frames += 1;
        requestAnimationFrame(count);
    };
    requestAnimationFrame(count);

    function instance(of, number, turn) {
        const name = `crowd-${number + 1}`;
        const [health, reason] = (number + turn) % 25 ? ["Up", "it answers"] : ["Down", "it is silent"];
        const busy = (number * 7 + turn * 3) % 40;
        return { ...of, service: "crowd", instance: name, address: `127.0.0.1:${20000 + number}`, pid: 1000 + number, health, reason, per_s: busy, in_flight: busy % 5, cpu_permille: busy * 10, p50_ms: busy / 10, p95_ms: busy / 5, p99_ms: busy / 3 };
    }

    function message(service, of, turn) {
        const at = new Date().toISOString().replace("Z", "000Z");
        const instances = Array.from({ length: INSTANCES }, (_, number) => instance(of, number, turn));
        const links = instances.map(({ instance, per_s }) => ({ from: "gateway", to_service: "crowd", to_instance: instance, per_s, mean_ms: 1, state: "Up" }));
        const events = Array.from({ length: EVENTS_A_MESSAGE }, () => {
            crowd.events += 1;
            return { id: 1_000_000_000 + crowd.events, at, kind: "Instance", severity: crowd.events % 10 ? "Info" : "Warning", subject: `crowd-${(crowd.events % INSTANCES) + 1}`, words: `event number ${crowd.events}`, who: null, request_id: null };
        });
        return { sequence: 0, at, whole: false, network: null, totals: null, services: [{ ...service, service: "crowd", per_s: 1000 + turn }], instances, links, alerts: [], events, lost: 0, gone: null };
    }

    window.WebSocket = class extends WebSocket {
        constructor(url, protocols) {
            super(url, protocols);
            if (!url.includes("/control/live")) return;
            const begin = ({ data }) => {
                const live = JSON.parse(data);
                const service = live.services?.find((each) => each.service === "product");
                const of = live.instances?.find((each) => each.service === "product");
                if (!service || !of) return;
                this.removeEventListener("message", begin);
                const timer = setInterval(() => {
                    if (this.readyState !== WebSocket.OPEN) return clearInterval(timer);
                    if (!crowd.going) return;
                    crowd.messages += 1;
                    this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message(service, of, crowd.messages)) }));
                }, 1000 / MESSAGES_A_SECOND);
            };
            this.addEventListener("message", begin);
        }
    };
})();
