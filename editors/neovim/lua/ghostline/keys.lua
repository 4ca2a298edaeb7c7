--- The keys of insert mode, for both ways of showing ghost text.
---
--- A key does its work where there is ghost text, and what it did before where there is none.

local api = vim.api
local M = {}

---@alias ghostline.KeyName 'accept'|'accept_word'|'accept_line'|'next'|'previous'|'dismiss'|'trigger'

--- Tab, because ghost text is where the cursor goes next, and because every other editor takes it with Tab. The
--- others are free in plain Neovim. Not `<M-[>`: terminals send it as the beginning of an arrow key.
---@type table<ghostline.KeyName, string>
M.DEFAULTS = {
  accept = '<Tab>',
  accept_word = '<M-Right>',
  accept_line = '<M-C-Right>',
  next = '<M-n>',
  previous = '<M-p>',
  dismiss = '<C-]>',
  trigger = '<M-\\>',
}

---@type table<ghostline.KeyName, string>
local DESCRIPTIONS = {
  accept = 'ghostline: accept the ghost text',
  accept_word = 'ghostline: accept a word of the ghost text',
  accept_line = 'ghostline: accept a line of the ghost text',
  next = 'ghostline: next suggestion',
  previous = 'ghostline: previous suggestion',
  dismiss = 'ghostline: dismiss the ghost text',
  trigger = 'ghostline: ask for ghost text',
}

--- What each key does: it stays with the key when Neovim's own way and ghostline's take turns.
---@type table<ghostline.KeyName, fun(fall_back: fun()): boolean?>
local acts = {}

--- What `require('ghostline').setup()` says about keys.
---@type table<ghostline.KeyName, string|false>
M.chosen = {}

--- The key for `name`, false for none, and whether the user named it.
---@param name ghostline.KeyName
---@return string|false key, boolean is_chosen
local function key_for(name)
  local key = M.chosen[name]
  if key == nil then
    key = vim.tbl_get(vim.g.ghostline or {}, 'keys', name)
  end
  if key == nil then
    return M.DEFAULTS[name], false
  end
  return key, true
end

---@param map table
---@param lhs string
local function is_for(map, lhs)
  return map.lhsraw == lhs or map.lhsrawalt == lhs
end

---@param maps table[]
---@param lhs string
---@return table?
local function find(maps, lhs)
  for _, map in ipairs(maps) do
    if is_for(map, lhs) then
      return map
    end
  end
end

--- Does what `key` did before it was taken: the mapping `earlier`, one for all buffers, or its own meaning.
---@param key string
---@param earlier table?
local function fall_back(key, earlier)
  local lhs = vim.keycode(key)
  local map = earlier or find(api.nvim_get_keymap('i'), lhs)
  if not map then
    return api.nvim_feedkeys(lhs, 'in', false)
  end
  local keys = (map.rhs or ''):gsub('<SID>', ('<SNR>%d_'):format(map.sid or 0))
  if map.callback then
    keys = map.callback()
  elseif map.expr == 1 then
    keys = api.nvim_eval(keys)
  end
  local is_typed = not map.callback or map.expr == 1
  if is_typed and type(keys) == 'string' and keys ~= '' then
    local must_replace = not map.callback or map.replace_keycodes == 1
    keys = must_replace and vim.keycode(keys) or keys
    -- A mapping that begins with its own key means the key itself, as Vim has it; it must not come back here.
    local is_final = map.noremap == 1 or vim.startswith(keys, lhs)
    api.nvim_feedkeys(keys, is_final and 'in' or 'im', false)
  end
end

--- Maps the key for `name` in `buf`. `act` returns false when there is nothing to do for it; it gets the rest of the
--- key's work as a function, for when it finds that out later.
---
--- Only the accept key is taken where a mapping exists already, and those that the user named: they then do both.
---@param buf integer
---@param name ghostline.KeyName
---@param act fun(fall_back: fun()): boolean?
function M.map(buf, name, act)
  local key, is_chosen = key_for(name)
  if not key then
    return
  end
  acts[name] = act
  local lhs = vim.keycode(key)
  local earlier = find(api.nvim_buf_get_keymap(buf, 'i'), lhs)
  if earlier and vim.startswith(earlier.desc or '', 'ghostline: ') then
    return
  end
  if name ~= 'accept' and not is_chosen and (earlier or find(api.nvim_get_keymap('i'), lhs)) then
    return
  end
  local function fall()
    fall_back(key, earlier)
  end
  api.nvim_buf_set_keymap(buf, 'i', key, '', {
    noremap = true,
    desc = DESCRIPTIONS[name],
    callback = function()
      if acts[name](fall) == false then
        fall()
      end
    end,
  })
end

--- The keys that are not ghostline's though it wants them: name, key and what is mapped there.
---@param buf integer
---@param names ghostline.KeyName[]
---@return { name: string, key: string, owner: string }[]
function M.conflicts(buf, names)
  local found = {}
  table.sort(names)
  for _, name in ipairs(names) do
    local key = key_for(name)
    local map = key and find(api.nvim_buf_get_keymap(buf, 'i'), vim.keycode(key))
      or key and find(api.nvim_get_keymap('i'), vim.keycode(key))
    if map and not vim.startswith(map.desc or '', 'ghostline: ') then
      found[#found + 1] = { name = name, key = key, owner = map.desc or map.rhs or 'a Lua function' }
    end
  end
  return found
end

return M
