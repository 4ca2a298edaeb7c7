/** Runs the program for its output. No VS Code in here, so that it is tested without one. */

import { execFile } from 'node:child_process';

export interface Output {
  isSuccess: boolean;
  /** What was written to stdout; of a failure to stderr, too. */
  text: string;
}

/** Long enough for a doctor who loads a large model from a slow disk. */
const TIMEOUT_MS = 120_000;

/** Never fails: what kept the program from running is its output. */
export function run(program: string, args: string[], variables: Record<string, string> = {}): Promise<Output> {
  const options = { env: { ...process.env, NO_COLOR: '1', ...variables }, timeout: TIMEOUT_MS };
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) {
        resolve({ isSuccess: true, text: stdout.trimEnd() });
        return;
      }
      const said = [stdout.trimEnd(), stderr.trimEnd()].filter((text) => text !== '');
      resolve({ isSuccess: false, text: said.length > 0 ? said.join('\n\n') : error.message });
    });
  });
}

/** Whether a program that failed did so because it does not know the command. */
export function isTooOld(output: Output, command: string): boolean {
  return !output.isSuccess && output.text.includes(`unrecognized subcommand '${command}'`);
}
