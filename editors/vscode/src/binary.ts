/** Where the `ghostline` program is. No VS Code in here, so that it is tested without one. */

import * as path from 'node:path';

/** What the search sees of the machine. */
export interface Machine {
  platform: NodeJS.Platform;
  env: Record<string, string | undefined>;
  home: string;
  isExecutable(file: string): boolean;
}

export type Search = { found: string } | { missing: string };

/**
 * The setting if there is one, else the first of: PATH, where `make install` and `cargo install` put programs
 * (editors started from a desktop often have a shorter PATH than the shell), the extension's own `bin` folder.
 * A setting that names no program is an error and not passed over: the user meant that one.
 */
export function findBinary(setting: string, extensionFolder: string, machine: Machine): Search {
  const join = machine.platform === 'win32' ? path.win32 : path.posix;
  const program = machine.platform === 'win32' ? 'ghostline.exe' : 'ghostline';

  const wanted = setting.trim();
  if (wanted !== '') {
    const file = /^~(?=[\\/]|$)/.test(wanted) ? join.join(machine.home, wanted.slice(1)) : wanted;
    return machine.isExecutable(file)
      ? { found: file }
      : { missing: `The setting "ghostline.path" names ${file}, which is not a program.` };
  }

  const search = (machine.env['PATH'] ?? machine.env['Path'] ?? '').split(join.delimiter);
  const folders = [
    // A relative PATH entry would mean the open workspace: a program that came with somebody's code.
    ...search.filter((folder) => join.isAbsolute(folder)),
    join.join(machine.home, '.local', 'bin'),
    join.join(machine.home, '.cargo', 'bin'),
    join.join(extensionFolder, 'bin'),
  ];
  for (const folder of folders) {
    const file = join.join(folder, program);
    if (machine.isExecutable(file)) {
      return { found: file };
    }
  }
  return { missing: 'The program "ghostline" was not found on the PATH, in ~/.local/bin or in ~/.cargo/bin.' };
}
