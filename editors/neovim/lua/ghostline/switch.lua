--- Whether ghostline is on: everywhere, in a buffer, in a language.
---
--- Off everywhere or for a language is also said to the server, so that it does not work for nothing.

local M = {}

--- Nil until the user says something: then the server's own settings hold.
---@type boolean?
local is_on_everywhere

---@type table<string, true>
local languages_off = {}

---@alias ghostline.Scope 'global'|'buffer'|'language'

---@param buf integer
---@return boolean
function M.is_on(buf)
  return is_on_everywhere ~= false and vim.b[buf].ghostline ~= false and not languages_off[vim.bo[buf].filetype]
end

--- The settings that the user's own and the switches make together, as the server takes them.
---@param client vim.lsp.Client
---@return table
local function settings(client)
  local own = vim.deepcopy(vim.tbl_get(client.config, 'settings', 'ghostline') or {})
  if is_on_everywhere ~= nil then
    own = vim.tbl_deep_extend('force', own, { completion = { enabled = is_on_everywhere } })
  end
  if next(languages_off) then
    local disabled = vim.tbl_get(own, 'languages', 'disabled')
      or vim.tbl_get(client.config, 'init_options', 'languages', 'disabled')
      or {}
    disabled = vim.list_extend(vim.tbl_keys(languages_off), disabled)
    table.sort(disabled)
    own = vim.tbl_deep_extend('force', own, { languages = { disabled = disabled } })
  end
  return next(own) and own or vim.empty_dict()
end

---@param client vim.lsp.Client
local function send(client)
  client.settings = vim.tbl_extend('force', client.settings or {}, { ghostline = settings(client) })
  client:notify('workspace/didChangeConfiguration', { settings = { ghostline = client.settings.ghostline } })
end

--- Tells a client that has just started, if there is anything to tell.
---@param client vim.lsp.Client
function M.attach(client)
  if is_on_everywhere ~= nil or next(languages_off) then
    send(client)
  end
end

--- Switches on or off. `scope` is `global` by default; the buffer is the current one, the language its.
---@param on boolean
---@param scope ghostline.Scope?
function M.set(on, scope)
  if scope == 'buffer' then
    vim.b.ghostline = on
  elseif scope == 'language' then
    languages_off[vim.bo.filetype] = not on or nil
  else
    is_on_everywhere = on
  end
  if scope ~= 'buffer' then
    for _, client in ipairs(require('ghostline.server').clients()) do
      send(client)
    end
  end
  require('ghostline.mode').refresh()
end

--- What `toggle` would start from.
---@param scope ghostline.Scope?
---@return boolean
function M.is_set(scope)
  if scope == 'buffer' then
    return vim.b.ghostline ~= false
  elseif scope == 'language' then
    return not languages_off[vim.bo.filetype]
  end
  return is_on_everywhere ~= false
end

return M
