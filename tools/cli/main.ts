#!/usr/bin/env node
/** The `resnet` executable: arguments in, exit code out. */
import "./engine.ts";
import { runCommandLine } from "./program.ts";

// A reader that has enough, like `head`, closes the pipe: nothing to report.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});
process.exitCode = await runCommandLine(process.argv.slice(2));
