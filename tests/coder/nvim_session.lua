-- What a user does in Neovim, step by step, and what is there afterwards: run by test_nvim_plugin.py.

local plugin = require("edgemind")
local said = {}
vim.notify = function(message, level)
  table.insert(said, { message = message, level = level })
end

local function finish(value)
  value.said = said
  vim.fn.writefile({ vim.json.encode(value) }, vim.env.NVIM_RESULT)
  vim.cmd("qall!")
end

--- A coroutine that can wait for something to become true while Neovim runs.
local function wait(what, holds, seconds)
  local deadline = vim.loop.now() + (seconds or 20) * 1000
  while not holds() do
    if vim.loop.now() > deadline then
      finish({ failed = what, lines = vim.api.nvim_buf_get_lines(0, 0, -1, false) })
      coroutine.yield()
    end
    local running = coroutine.running()
    vim.defer_fn(function()
      coroutine.resume(running)
    end, 20)
    coroutine.yield()
    vim.loop.update_time()
  end
end

local function keys(text)
  vim.api.nvim_input(text)
end

local function lines()
  return vim.api.nvim_buf_get_lines(0, 0, -1, false)
end

local function text()
  return table.concat(lines(), "\n")
end

local steps = {}

function steps.accepts()
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { "def f(x):", "", "print(f(1))" })
  keys("ggA # ä")
  wait("a completion", plugin.shown)
  local shown = plugin.shown()
  local marks = vim.api.nvim_buf_get_extmarks(0, vim.api.nvim_get_namespaces().edgemind, 0, -1, { details = true })
  local first = marks[1][4].virt_text[1]
  local before = text()
  keys("<Tab>")
  wait("the text", function()
    return text() ~= before
  end)
  finish({ shown = shown, drawn = first, lines = lines(), cursor = vim.api.nvim_win_get_cursor(0) })
end

function steps.inside()
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { "print(äö)" })
  keys("gg0f)i")
  wait("a completion", plugin.shown)
  local marks = vim.api.nvim_buf_get_extmarks(0, vim.api.nvim_get_namespaces().edgemind, 0, -1, { details = true })
  keys("<Tab>")
  wait("the text", function()
    return text() ~= "print(äö)"
  end)
  finish({ drawn = marks[1][4].virt_text, lines = lines(), cursor = vim.api.nvim_win_get_cursor(0) })
end

function steps.tab_without_text()
  vim.bo.expandtab = true
  vim.bo.shiftwidth = 4
  keys("i<Tab>x")
  wait("the key", function()
    return text() ~= ""
  end)
  finish({ lines = lines() })
end

function steps.dismisses()
  keys("iab")
  wait("a completion", plugin.shown)
  keys("<C-]>")
  wait("nothing", function()
    return not plugin.shown()
  end)
  finish({ lines = lines() })
end

function steps.moves_away()
  keys("iab")
  wait("a completion", plugin.shown)
  keys("<Left>")
  wait("nothing", function()
    return not plugin.shown()
  end)
  keys("<Esc>")
  finish({ lines = lines() })
end

function steps.types_on()
  for _ = 1, 20 do
    keys("x")
  end
  keys("<Esc>")
  keys("i" .. ("x"):rep(20))
  wait("a completion", plugin.shown)
  finish({ lines = lines(), shown = plugin.shown() })
end

function steps.fails()
  keys("iab")
  wait("a message", function()
    return #said > 0
  end)
  keys("c")
  vim.defer_fn(function()
    finish({ lines = lines() })
  end, 200)
end

function steps.by_hand()
  keys("iab")
  wait("the text", function()
    return text() == "ab"
  end)
  local before = plugin.shown()
  vim.cmd("EdgemindComplete")
  wait("a completion", plugin.shown)
  finish({ before = before or vim.NIL, shown = plugin.shown() })
end

function steps.in_one_step()
  keys("iab")
  wait("a completion", plugin.shown)
  keys("<Tab>z")
  wait("the text", function()
    return text() == "abc1\nc2z"
  end)
  keys("<Esc>u")
  wait("what was typed", function()
    return text() == "ab"
  end)
  finish({ lines = lines() })
end

function steps.typed_on()
  keys("iab")
  wait("a completion", plugin.shown)
  keys("cd")
  wait("the rest", function()
    return plugin.shown() == "ef"
  end)
  keys("<Tab>")
  wait("the text", function()
    return text() == "abcdef"
  end)
  finish({ lines = lines() })
end

local function typed_where(prepare)
  prepare()
  keys("iab")
  wait("the text", function()
    return text():find("ab")
  end)
  vim.defer_fn(function()
    finish({ shown = plugin.shown() or vim.NIL, status = plugin.status(true) })
  end, 300)
end

function steps.private_file()
  typed_where(function()
    vim.cmd("edit " .. vim.fn.tempname() .. "/.env")
  end)
end

--- Which of some paths would be completed.
function steps.private_names()
  local open = {}
  for _, path in ipairs(vim.json.decode(vim.env.FAKE_TEXT)) do
    vim.cmd("edit " .. vim.fn.fnameescape(vim.fn.tempname() .. "/" .. path))
    if not plugin.status(true):find("^this buffer is not completed") then
      table.insert(open, path)
    end
  end
  finish({ open = open })
end

function steps.unlisted()
  typed_where(function()
    vim.bo.buflisted = false
  end)
end

function steps.read_only()
  typed_where(function()
    vim.bo.readonly = true
  end)
end

function steps.dies()
  keys("iab")
  wait("a completion or a message", function()
    if #said == 0 and not plugin.shown() then
      vim.cmd("EdgemindComplete")
    end
    return #said > 0 or plugin.shown()
  end)
  finish({ shown = plugin.shown() or vim.NIL, lines = lines() })
end

function steps.health()
  vim.cmd("checkhealth edgemind")
  finish({ lines = lines() })
end

--- Keys that were mapped before the plugin was set up.
local former = vim.env.NVIM_FORMER
if former == "plug" then
  vim.keymap.set("i", "<Plug>(former)", "<Esc>ifrom plug ")
  vim.api.nvim_set_keymap("i", "<Tab>", "<Plug>(former)", {})
elseif former == "callback" then
  vim.keymap.set("i", "<Tab>", function()
    vim.api.nvim_put({ "from callback" }, "c", false, true)
  end)
elseif former == "expr" then
  vim.cmd([[inoremap <expr> <Tab> "from expr "]])
end

function steps.former_key()
  keys("i<Tab>x")
  wait("the key", function()
    return text():find("x")
  end)
  finish({ lines = lines() })
end

plugin.setup(vim.json.decode(vim.env.NVIM_OPTIONS))
vim.defer_fn(function()
  coroutine.resume(coroutine.create(function()
    local ok, problem = pcall(steps[vim.env.NVIM_STEPS])
    if not ok then
      finish({ failed = problem })
    end
  end))
end, 50)
