/** The server's log lines in the editor's levels. No VS Code in here, so that it is tested without one. */

export type Level = 'error' | 'warn' | 'info' | 'debug' | 'trace';

/**
 * Splits `2026-01-01T00:00:00Z  INFO ghostline::server: ready` into its level and the rest; the output channel
 * writes a time of its own. What is not written by the server's log, a panic for example, is an error.
 */
export function logLine(line: string): { level: Level; text: string } {
  const match = /^\S+Z\s+(ERROR|WARN|INFO|DEBUG|TRACE)\s+(.*)$/.exec(line);
  return match?.[1] !== undefined && match[2] !== undefined
    ? { level: match[1].toLowerCase() as Level, text: match[2] }
    : { level: 'error', text: line };
}
