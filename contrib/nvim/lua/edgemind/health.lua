-- :checkhealth edgemind

local M = {}

function M.check()
  local health = vim.health or require("health")
  local start, ok, bad = health.start or health.report_start, health.ok or health.report_ok, health.error or health.report_error
  local plugin = require("edgemind")
  start("edgemind")
  local command = plugin.options().command[1]
  if vim.fn.executable(command) == 1 then
    ok(command .. " is " .. vim.fn.exepath(command))
  else
    bad(command .. " is no command; set `command` in setup() to its path")
  end
  local sentence, well = plugin.status();
  (well and ok or bad)(sentence)
end

return M
