/** Whether program and extension belong together. No VS Code in here, so that it is tested without one. */

/**
 * What is wrong with the program behind `initialize`'s answer, if anything. Before 1.0 the second number tells
 * what fits together, after it the first.
 */
export function mismatch(
  server: { name: string; version?: string } | undefined,
  extension: string,
  program: string,
): string | undefined {
  if (server?.name !== 'ghostline') {
    return `${program} is another language server, not ghostline.`;
  }
  const [theirs, ours] = [parse(server.version ?? ''), parse(extension)];
  if (theirs === undefined || ours === undefined) {
    return undefined;
  }
  const difference = theirs.major - ours.major || (ours.major === 0 ? theirs.minor - ours.minor : 0);
  if (difference === 0) {
    return undefined;
  }
  const both = `${program} is version ${server.version}, the extension ${extension}`;
  return difference < 0
    ? `${both}: update the program with "make install".`
    : `${both}: update the extension.`;
}

function parse(version: string): { major: number; minor: number } | undefined {
  const match = /^(\d+)\.(\d+)\./.exec(version);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) };
}
