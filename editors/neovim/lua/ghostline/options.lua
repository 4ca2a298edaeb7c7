--- The options of `require('ghostline').setup()`: what there is, and what is wrong with what was given.

local M = {}

---@class ghostline.Options
---@field cmd string[]? what starts the server; default `{ 'ghostline', 'lsp' }`
---@field filetypes string[]? only in these; default: in every file
---@field settings table? the server's settings, as in `docs/configuration.md`
---@field enabled boolean? whether to begin switched on; default true
---@field hide_in_menu boolean? whether ghost text makes room for completion menus; default false
---@field keys table<ghostline.KeyName, string|false>? keys of insert mode; false: none

---@param value any
local function is_list_of_text(value)
  return vim.islist(value) and #value > 0 and vim.iter(value):all(function(entry)
    return type(entry) == 'string'
  end)
end

--- What each option must be: said to the user, and checked.
---@type table<string, [string, fun(value: any): boolean]>
local OPTIONS = {
  cmd = { 'a list of text, such as { "ghostline", "lsp" }', is_list_of_text },
  filetypes = { 'a list of file types', is_list_of_text },
  settings = {
    'a table of the server\'s settings',
    function(value)
      return type(value) == 'table' and (next(value) == nil or not vim.islist(value))
    end,
  },
  enabled = {
    'true or false',
    function(value)
      return type(value) == 'boolean'
    end,
  },
  hide_in_menu = {
    'true or false',
    function(value)
      return type(value) == 'boolean'
    end,
  },
  keys = {
    'a table of keys, such as { accept = "<C-l>" }',
    function(value)
      return type(value) == 'table' and (next(value) == nil or not vim.islist(value))
    end,
  },
}

--- How many letters must be changed, added or left out to make `b` of `a`.
---@param a string
---@param b string
---@return integer
local function distance(a, b)
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local above = row[j]
      local changed = diagonal + (a:byte(i) == b:byte(j) and 0 or 1)
      row[j] = math.min(changed, above + 1, row[j - 1] + 1)
      diagonal = above
    end
  end
  return row[#b]
end

--- A name in `known` that may have been meant by `name`.
---@param name string
---@param known table<string, any>
---@return string?
function M.nearest(name, known)
  local best, best_distance
  for candidate in vim.spairs(known) do
    local d = distance(name, candidate)
    if d <= math.max(2, math.floor(#candidate / 2)) and (not best or d < best_distance) then
      best, best_distance = candidate, d
    end
  end
  return best
end

---@param what string
---@param name any
---@param known table<string, any>
---@return string
local function unknown(what, name, known)
  local text = ('unknown %s `%s`'):format(what, tostring(name))
  local near = M.nearest(tostring(name), known)
  if near then
    return ('%s; did you mean `%s`?'):format(text, near)
  end
  return ('%s; there are %s'):format(text, table.concat(vim.fn.sort(vim.tbl_keys(known)), ', '))
end

---@param given table
---@param warnings string[]
---@return table<ghostline.KeyName, string|false>
local function checked_keys(given, warnings)
  local known, good = require('ghostline.keys').DEFAULTS, {}
  for name, key in vim.spairs(given) do
    if not known[name] then
      warnings[#warnings + 1] = unknown('key', name, known)
    elseif key ~= false and (type(key) ~= 'string' or key == '') then
      warnings[#warnings + 1] = ('`keys.%s` must be a key such as "<C-l>", or false; it is %s'):format(
        name,
        vim.inspect(key)
      )
    else
      good[name] = key
    end
  end
  return good
end

--- The options that can be used, and what is wrong with the others. A wrong option counts as not given.
---@param given any
---@return ghostline.Options good, string[] warnings
function M.checked(given)
  local good, warnings = {}, {}
  if given ~= nil and type(given) ~= 'table' then
    return good, { ('setup() takes a table of options; it was given %s'):format(vim.inspect(given)) }
  end
  for name, value in vim.spairs(given or {}) do
    local option = OPTIONS[name]
    if not option then
      warnings[#warnings + 1] = unknown('option', name, OPTIONS)
    elseif not option[2](value) then
      warnings[#warnings + 1] = ('`%s` must be %s; it is %s'):format(name, option[1], vim.inspect(value))
    elseif name == 'keys' then
      good.keys = checked_keys(value, warnings)
    else
      good[name] = value
    end
  end
  return good, warnings
end

return M
