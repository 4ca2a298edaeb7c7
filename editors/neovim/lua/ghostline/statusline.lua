--- A component for statuslines: a function that returns, for the current buffer, text such as `ghostline 1.4 ms`, with
--- the host where text leaves the machine; nothing where there is no server. For lualine: `lualine_x = { require('ghostline.statusline') }`.

---@param status ghostline.Status
---@return string
local function name(status)
  local host = status.text_goes_to[1]
  return host and 'ghostline → ' .. host or 'ghostline'
end

---@param status ghostline.Status
---@return string
local function text(status)
  if status.state == 'absent' then
    return ''
  elseif status.state == 'loading' then
    return ('ghostline %d %%'):format(status.percent or 0)
  elseif status.state == 'off' then
    return 'ghostline off'
  elseif status.state == 'failed' then
    return 'ghostline error'
  elseif status.mode == 'manual' then
    return 'ghostline by hand'
  elseif status.latency_ms then
    return ('%s %.1f ms'):format(name(status), status.latency_ms)
  end
  return name(status)
end

---@return string
return function()
  return text(require('ghostline.status').of())
end
