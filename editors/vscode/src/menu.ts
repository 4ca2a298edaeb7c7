/** What a click on the status bar offers. No VS Code in here, so that it is tested without one. */

import { type View, problem } from './status';

export interface Entry {
  label: string;
  description?: string;
  command: string;
  arguments?: unknown[];
}

/** `extension` is this extension's identifier, for its page in the editor. */
export function entries(view: View, extension: string): Entry[] {
  const { server, isOn, language } = view;
  const status = server.state === 'running' ? server.status : undefined;
  const wrong = problem(server);
  const menu: Entry[] = [];
  if (wrong !== undefined) {
    menu.push({ label: '$(output) Show Log', description: wrong, command: 'ghostline.showLog' });
  }
  if (server.state === 'missing') {
    menu.push(
      { label: '$(book) How to Install', command: 'extension.open', arguments: [extension] },
      {
        label: '$(gear) Set the Path of the Program',
        command: 'workbench.action.openSettings',
        arguments: ['ghostline.path'],
      },
      { label: '$(debug-restart) Look Again', command: 'ghostline.restart' },
    );
    return menu;
  }
  if (language !== undefined) {
    menu.push({
      label: language.isOn ? `$(circle-slash) Switch Off for ${language.id}` : `$(check) Switch On for ${language.id}`,
      command: 'ghostline.toggleLanguage',
    });
  }
  menu.push(
    { label: isOn ? '$(circle-slash) Switch Off Everywhere' : '$(check) Switch On', command: 'ghostline.toggle' },
    described({ label: '$(zap) Eagerness…', command: 'ghostline.chooseEagerness' }, status?.mode),
    described({ label: '$(file-binary) Choose a Model…', command: 'ghostline.chooseModel' }, status?.model?.name),
    { label: '$(graph) Show Statistics', command: 'ghostline.showStatistics' },
    { label: '$(pulse) Run Doctor', command: 'ghostline.runDoctor' },
  );
  if (wrong === undefined) {
    menu.push({ label: '$(output) Show Log', command: 'ghostline.showLog' });
  }
  menu.push({ label: '$(debug-restart) Restart', command: 'ghostline.restart' });
  return menu;
}

function described(entry: Entry, description: string | undefined): Entry {
  return description === undefined ? entry : { ...entry, description };
}
