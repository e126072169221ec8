-- Posts the JSON that stands behind `--`, and says what was counted as a line of JSON.
function init(arguments)
    wrk.method = "POST"
    wrk.body = arguments[1]
    wrk.headers["Content-Type"] = "application/json"
end

function done(summary, latency)
    local failed = summary.errors
    io.write(string.format('counted {"requests":%d,"seconds":%f,"errors":%d,"p50_us":%f,"p99_us":%f}\n',
        summary.requests, summary.duration / 1e6,
        failed.connect + failed.read + failed.write + failed.status + failed.timeout,
        latency:percentile(50), latency:percentile(99)))
end
