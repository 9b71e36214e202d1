-- wrk sends one request after the other: with BODIES, a file with a body in each line, POST with each body in turn,
-- from the start again after the last; without, GET. PATH_ASKED is the path. The last line printed is JSON.

local path, bodies = os.getenv("PATH_ASKED"), os.getenv("BODIES")

if bodies then
  wrk.headers["Content-Type"] = "application/json"
  local file = assert(io.open(bodies))
  function request()
    local body = file:read("*l")
    if not body then
      file:seek("set")
      body = file:read("*l")
    end
    return wrk.format("POST", path, nil, body)
  end
else
  function request()
    return wrk.format("GET", path)
  end
end

function done(summary, latency)
  local e = summary.errors
  print(string.format('{"requests": %d, "failures": %d, "microseconds": %d, "p99_microseconds": %d}', summary.requests,
    e.connect + e.read + e.write + e.timeout + e.status, summary.duration, latency:percentile(99)))
end
