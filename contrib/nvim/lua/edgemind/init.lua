-- Completions by a local model, shown as grey text at the cursor and taken with <Tab>.
--
--   require("edgemind").setup({ model = "qwen2.5-coder-1.5b" })
--
-- Needs Neovim 0.7 and the command `edgemind`; nothing else. See :help edgemind.

local client = require("edgemind.client")

local M = {}

M.defaults = {
  command = { "edgemind" },
  model = nil, -- the one of EdgeMind's settings
  lines = "block", -- or "one"
  auto = true, -- complete while typing; false: with :EdgemindComplete only
  debounce_ms = 75,
  before = 8000, -- bytes of text before the cursor that are sent
  after = 2000,
  max_bytes = 1000000, -- of a buffer that is completed
  accept = "<Tab>",
  dismiss = "<C-]>",
  filetypes_off = { help = true, gitcommit = true, TelescopePrompt = true },
  private = { -- patterns of whole paths that are never sent; `edgemind` refuses others by name
    "%.env$", "/%.env%.[^/]*$", "/%.envrc$", "/[._]?netrc$", "/%.pgpass$", "/%.npmrc$", "/%.yarnrc%.yml$",
    "/%.pypirc$", "/%.git%-credentials$", "/%.htpasswd$", "/%.vault[-_][^/]*$", "/%.my%.cnf$", "/%.s3cfg$",
    "/%.boto$", "/%.dockercfg$", "/%.terraformrc$", "/%.[^/]*_history$", "/rclone%.conf$", "/kubeconfig$",
    "/credentials[^/]*$", "/%.?secrets?$", "/%.?secrets?%.[%w_.-]*ya?ml$", "/%.?secrets?%.[%w_.-]*json$",
    "/%.?secrets?%.[%w_.-]*toml$", "/%.?secrets?%.[%w_.-]*ini$", "/%.?secrets?%.[%w_.-]*txt$",
    "/%.?secrets?%.[%w_.-]*properties$", "/passwords?$", "/passwords?%.txt$", "/passwords?%.csv$",
    "/id_[a-z0-9_]+$", "/ssh_host_[a-z0-9_]+$", "/%.ssh/", "/%.gnupg/", "/%.password%-store/", "/%.gcloud/",
    "/%.config/gh/", "/%.config/gcloud/", "/%.aws/", "/%.kube/", "/%.docker/config%.json$", "/%.azure/",
    "^/dev/shm/", "%.gpg$", "%.pgp$", "%.asc$", "%.age$", "%.agekey$", "%.pem$", "%.key$", "%.p8$", "%.p12$",
    "%.pfx$", "%.jks$", "%.keystore$", "%.kdbx?$", "%.ppk$", "%.ovpn$", "%.der$", "%.tfvars$", "%.tfvars%.json$",
    "%.tfstate$", "%.tfstate%.backup$", "%.mobileprovision$", "%.publishsettings$",
  },
  highlight = "EdgemindGhost",
}

local space = vim.api.nvim_create_namespace("edgemind")
local state = { options = M.defaults, former = {} }
local RESTART_SECONDS = 60 -- a process that ended is started again, but not twice in this time

--- The same thing is said once, not at every key.
local function say(message)
  if message == state.said then
    return
  end
  state.said = message
  vim.schedule(function()
    vim.notify("edgemind: " .. message, vim.log.levels.ERROR)
  end)
end

local function words()
  local command = vim.deepcopy(state.options.command)
  vim.list_extend(command, { "complete", "--stdio" })
  if state.options.model then
    vim.list_extend(command, { "--model", state.options.model })
  end
  return command
end

local function explain(problem)
  local hint = type(problem.data) == "table" and problem.data.hint or ""
  return hint ~= "" and (problem.message .. "\n" .. hint) or problem.message
end

--- The running process, started when it is first needed; nil when it does not work.
local function connected()
  if state.client and state.client.job then
    return state.client
  end
  if state.failed then
    return nil
  end
  local started, why, ready
  started, why = client.start(words(), function(code, errors)
    if state.client == started then
      state.client = nil
      M.clear()
    end
    if started.stopped or state.leaving then
      return
    end
    vim.loop.update_time()
    local again = ready and not (state.died and vim.loop.now() - state.died < RESTART_SECONDS * 1000)
    state.died = vim.loop.now()
    if not again then
      state.failed = true
      local why = errors ~= "" and vim.trim(errors) or ("it ended with code " .. code)
      say(why .. "\n:EdgemindStop lets it start again.")
    end
  end)
  if not started then
    state.failed = true
    say(why)
    return nil
  end
  state.client = started
  started:request("initialize", { debounce_ms = state.options.debounce_ms }, function(problem, about)
    ready, state.about = problem == nil, about
    if problem then
      state.failed = true
      say(explain(problem))
      started:stop()
    end
  end)
  return started
end

--- The end of a text, or its beginning, without half a character.
local function tail(text, bytes)
  return #text <= bytes and text or (text:sub(-bytes):gsub("^[\128-\191]+", ""))
end

local function head(text, bytes)
  return #text <= bytes and text or (text:sub(1, bytes):gsub("[\192-\255][\128-\191]*$", ""))
end

--- Text around the cursor, from whole characters and at most so many bytes.
local function around(buffer, row, column)
  local options = state.options
  local current = vim.api.nvim_buf_get_lines(buffer, row, row + 1, false)[1] or ""
  local before, size, first = { tail(current:sub(1, column), options.before) }, column, row
  while first > 0 and size < options.before do
    first = first - 1
    local line = vim.api.nvim_buf_get_lines(buffer, first, first + 1, false)[1]
    table.insert(before, 1, line)
    size = size + #line + 1
  end
  local after, last = { head(current:sub(column + 1), options.after) }, row
  size = #current - column
  local count = vim.api.nvim_buf_line_count(buffer)
  while last + 1 < count and size < options.after do
    last = last + 1
    local line = vim.api.nvim_buf_get_lines(buffer, last, last + 1, false)[1]
    table.insert(after, line)
    size = size + #line + 1
  end
  return table.concat(before, "\n"), table.concat(after, "\n")
end

local function private(buffer)
  local path = vim.api.nvim_buf_get_name(buffer):lower()
  for _, pattern in ipairs(state.options.private) do
    if path:find(pattern) then
      return true
    end
  end
  return false
end

local function usable(buffer)
  return vim.bo[buffer].buflisted
    and vim.bo[buffer].buftype == ""
    and vim.bo[buffer].modifiable
    and not vim.bo[buffer].readonly
    and not state.options.filetypes_off[vim.bo[buffer].filetype]
    and vim.api.nvim_buf_get_offset(buffer, vim.api.nvim_buf_line_count(buffer)) <= state.options.max_bytes
    and not private(buffer)
end

--- Take the grey text away, and give up what was asked.
function M.clear()
  if state.asked and state.client then
    state.client:cancel(state.asked)
  end
  state.asked = nil
  if state.ghost then
    if vim.api.nvim_buf_is_valid(state.ghost.buffer) then
      vim.api.nvim_buf_clear_namespace(state.ghost.buffer, space, 0, -1)
    end
    state.ghost = nil
  end
end

--- Grey text over the rest of the line, which is drawn again behind it.
local function show(buffer, row, column, text)
  local rest = vim.api.nvim_buf_get_lines(buffer, row, row + 1, false)[1]:sub(column + 1)
  local rows = {}
  local tab = (" "):rep(vim.bo[buffer].tabstop)
  for _, line in ipairs(vim.split(text, "\n", { plain = true })) do
    table.insert(rows, { { (line:gsub("\t", tab)), state.options.highlight } })
  end
  table.insert(rows[#rows], { rest, "Normal" })
  vim.api.nvim_buf_set_extmark(buffer, space, row, column, {
    virt_text = table.remove(rows, 1),
    virt_text_win_col = vim.fn.wincol() - 1 - vim.fn.getwininfo(vim.api.nvim_get_current_win())[1].textoff,
    virt_lines = #rows > 0 and rows or nil,
  })
  local tick = vim.api.nvim_buf_get_changedtick(buffer)
  state.ghost = { buffer = buffer, row = row, column = column, text = text, tick = tick }
end

--- Whether what was typed is the beginning of the grey text, which is then shown from there on.
local function typed_on(buffer, row, column)
  local ghost = state.ghost
  if not ghost or ghost.buffer ~= buffer or ghost.row ~= row or column <= ghost.column then
    return false
  end
  local typed = vim.api.nvim_buf_get_lines(buffer, row, row + 1, false)[1]:sub(ghost.column + 1, column)
  if ghost.text:sub(1, #typed) ~= typed or #ghost.text == #typed then
    return false
  end
  M.clear()
  show(buffer, row, column, ghost.text:sub(#typed + 1))
  return true
end

--- Ask for a completion at the cursor and show it.
function M.complete()
  local buffer = vim.api.nvim_get_current_buf()
  if not usable(buffer) or vim.fn.pumvisible() == 1 or vim.fn.reg_executing() ~= "" then
    return M.clear()
  end
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  row = row - 1
  if typed_on(buffer, row, column) then
    return
  end
  M.clear()
  local process = connected()
  if not process then
    return
  end
  local tick = vim.api.nvim_buf_get_changedtick(buffer)
  local prefix, suffix = around(buffer, row, column)
  local path = vim.fn.expand("%:t")
  state.asked = process:request("complete", {
    prefix = prefix,
    suffix = suffix,
    path = path ~= "" and path or nil,
    lines = state.options.lines,
  }, function(problem, result)
    state.asked = nil
    if problem then
      if problem.code ~= -32800 then
        say(explain(problem))
      end
      return
    end
    local here = vim.api.nvim_get_current_buf() == buffer
      and vim.api.nvim_buf_get_changedtick(buffer) == tick
      and vim.deep_equal(vim.api.nvim_win_get_cursor(0), { row + 1, column })
    if here and result.text ~= "" and vim.fn.pumvisible() == 0 and vim.api.nvim_get_mode().mode:sub(1, 1) == "i" then
      M.clear()
      show(buffer, row, column, result.text)
    end
  end)
end

--- Put the grey text into the buffer. Returns whether there was one.
function M.accept()
  local ghost = state.ghost
  if not ghost or ghost.buffer ~= vim.api.nvim_get_current_buf() then
    return false
  end
  M.clear()
  local lines = vim.split(ghost.text, "\n", { plain = true })
  vim.api.nvim_buf_set_text(ghost.buffer, ghost.row, ghost.column, ghost.row, ghost.column, lines)
  local last = #lines == 1 and ghost.column + #lines[1] or #lines[#lines]
  vim.api.nvim_win_set_cursor(0, { ghost.row + #lines, last })
  return true
end

--- The text that is shown now, or nil.
function M.shown()
  return state.ghost and state.ghost.text or nil
end

--- End the process; it starts again when it is needed.
function M.stop()
  M.clear()
  state.failed, state.said, state.died = false, nil, nil
  if state.client then
    state.client:stop()
    state.client = nil
  end
end

--- What there is to say about it, for :EdgemindStatus (here) and :checkhealth: a sentence, and whether all is well.
function M.status(here)
  local about = state.client and state.about
  if state.failed then
    return "it does not work: " .. (state.said or "") .. "\n:EdgemindStop lets it start again", false
  elseif here and not usable(vim.api.nvim_get_current_buf()) then
    return "this buffer is not completed (private, read-only, too large, or of a kind that is left alone)", true
  elseif about then
    return ("%s completes, with %d tokens of context"):format(about.model, about.context), true
  end
  return state.client and "the model is being loaded" or "it starts with the first completion", true
end

--- What setup() was given, and the defaults.
function M.options()
  return state.options
end

--- What a key did before it was mapped here.
function M.former(key)
  state.former[key].callback()
end

--- The mapping of a key in all buffers; one of a buffer comes before ours by itself.
local function mapped(key)
  local function codes(text)
    return vim.api.nvim_replace_termcodes(text, true, true, true)
  end
  for _, found in ipairs(vim.api.nvim_get_keymap("i")) do
    if codes(found.lhs) == codes(key) then
      return found
    end
  end
  return {}
end

--- A key that does something with the grey text, and without one what it did before.
local function map(key, act, about)
  local before = mapped(key)
  state.former[key] = before
  vim.keymap.set("i", key, function()
    if M.shown() and vim.fn.pumvisible() == 0 then
      return act
    end
    if before.callback then
      if before.expr == 1 then
        return before.callback() or ""
      end
      return ("<Cmd>lua require('edgemind').former(%q)<CR>"):format((key:gsub("<", "<lt>")))
    end
    if before.rhs then
      local keys = before.expr == 1 and vim.api.nvim_eval(before.rhs) or before.rhs
      keys = before.expr == 1 and keys or vim.api.nvim_replace_termcodes(keys, true, true, true)
      vim.api.nvim_feedkeys(keys, (before.noremap == 1 and "n" or "m") .. "i", false)
      return ""
    end
    return key
  end, { expr = true, silent = true, desc = about })
end

--- @param options see M.defaults
function M.setup(options)
  M.stop()
  state.options = vim.tbl_deep_extend("force", {}, M.defaults, options or {})
  state.leaving = false
  vim.api.nvim_set_hl(0, "EdgemindGhost", { default = true, link = "Comment" })
  local group = vim.api.nvim_create_augroup("edgemind", { clear = true })
  local function on(events, callback)
    vim.api.nvim_create_autocmd(events, { group = group, callback = callback })
  end
  if state.options.auto then
    on({ "TextChangedI", "InsertEnter" }, M.complete)
  else
    on({ "TextChangedI" }, M.clear)
  end
  on({ "CursorMovedI" }, function()
    local ghost = state.ghost
    -- When something was typed, TextChangedI comes next.
    if ghost
      and vim.api.nvim_buf_get_changedtick(0) == ghost.tick
      and not vim.deep_equal(vim.api.nvim_win_get_cursor(0), { ghost.row + 1, ghost.column })
    then
      M.clear()
    end
  end)
  on({ "InsertLeave", "BufLeave", "CompleteChanged" }, M.clear)
  on({ "VimLeavePre" }, function()
    state.leaving = true
    M.stop()
  end)
  if not state.mapped then
    state.mapped = true
    if state.options.accept then
      -- What is taken is undone by itself, in one step.
      map(state.options.accept, "<C-g>u<Cmd>lua require('edgemind').accept()<CR>", "Take the completion of EdgeMind")
    end
    if state.options.dismiss then
      map(state.options.dismiss, "<Cmd>lua require('edgemind').clear()<CR>", "Hide the completion of EdgeMind")
    end
  end
  vim.api.nvim_create_user_command("EdgemindComplete", M.complete, { desc = "Complete at the cursor" })
  vim.api.nvim_create_user_command("EdgemindStatus", function()
    vim.notify("edgemind: " .. (M.status(true)))
  end, { desc = "Whether EdgeMind completes here, and with which model" })
  vim.api.nvim_create_user_command("EdgemindStop", M.stop, { desc = "End EdgeMind's process" })
end

return M
