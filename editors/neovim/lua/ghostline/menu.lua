--- Whether a completion menu is open, and what to do when that changes: Neovim's own, blink.cmp's or nvim-cmp's.

local api = vim.api
local M = {}

--- True while any of the menus is open. The plugins are only asked when they are loaded.
---@return boolean
function M.is_open()
  if vim.fn.pumvisible() == 1 then
    return true
  end
  local blink = package.loaded['blink.cmp']
  if type(blink) == 'table' then
    local ask = blink.is_menu_visible or blink.is_visible
    local is_there, is_open = pcall(ask)
    if is_there and is_open then
      return true
    end
  end
  local cmp = package.loaded['cmp']
  if type(cmp) == 'table' then
    local is_there, is_open = pcall(cmp.visible)
    return is_there and is_open == true
  end
  return false
end

local is_cmp_watched = false

--- Tells nvim-cmp, once it is loaded, to call `act` when its menu opens or closes.
---@param act fun()
local function watch_cmp(act)
  local cmp = package.loaded['cmp']
  if not is_cmp_watched and type(cmp) == 'table' and cmp.event then
    is_cmp_watched = true
    pcall(cmp.event.on, cmp.event, 'menu_opened', act)
    pcall(cmp.event.on, cmp.event, 'menu_closed', act)
  end
end

--- Calls `act`, soon after, whenever a menu opened or closed without a key typed into the text.
---@param group integer
---@param act fun()
function M.watch(group, act)
  local later = vim.schedule_wrap(act)
  api.nvim_create_autocmd({ 'CompleteChanged', 'CompleteDone' }, { group = group, callback = later })
  api.nvim_create_autocmd('User', {
    group = group,
    pattern = { 'BlinkCmpMenuOpen', 'BlinkCmpMenuClose' },
    callback = later,
  })
  api.nvim_create_autocmd('InsertEnter', {
    group = group,
    callback = function()
      watch_cmp(later)
    end,
  })
end

return M
