-- For wrk: single-query searches, JSON or binary, over the queries of a .u8bin file.
--   wrk ... -s search.lua URL -- QUERIES.u8bin json|binary [K]
local requests = {}
local next_request = 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local data = file:read("*a")
  file:close()
  local function int(at)
    local a, b, c, d = data:byte(at, at + 3)
    return a + 256 * (b + 256 * (c + 256 * d))
  end
  local rows, dim = int(1), int(5)
  local k = args[3] or "10"
  for row = 0, math.min(rows, 10000) - 1 do
    local bytes = data:sub(9 + row * dim, 8 + (row + 1) * dim)
    if args[2] == "binary" then
      requests[#requests + 1] = wrk.format("POST", "/v1/collections/default/search?k=" .. k, {
        ["Content-Type"] = "application/octet-stream", ["Accept"] = "application/octet-stream",
        ["Host"] = "localhost"}, bytes)
    else
      local body = '{"vector":[' .. table.concat({bytes:byte(1, dim)}, ",") .. '],"k":' .. k .. "}"
      requests[#requests + 1] = wrk.format("POST", "/v1/collections/default/search", {
        ["Content-Type"] = "application/json", ["Host"] = "localhost"}, body)
    end
  end
  next_request = math.random(#requests)
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.3f, "p50_us": %d, "p99_us": %d, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
