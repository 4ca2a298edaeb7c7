/** What the stable API of the oldest supported VS Code consists of, read from its type definitions. */

import { readFileSync } from 'node:fs';
import * as ts from 'typescript';

export interface Api {
  /** Everything that can be imported, but for types. */
  values: Set<string>;
  /** The members of each namespace, class and interface, inherited ones included. */
  members: Map<string, Set<string>>;
  enums: Map<string, Record<string, number | string>>;
  classes: Set<string>;
}

export function readApi(file: string): Api {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022, true);
  const api: Api = { values: new Set(), members: new Map(), enums: new Map(), classes: new Set() };
  const parents = new Map<string, string[]>();
  for (const statement of source.statements) {
    if (ts.isModuleDeclaration(statement) && statement.body !== undefined && ts.isModuleBlock(statement.body)) {
      for (const inner of statement.body.statements) {
        declare(api, parents, inner);
      }
    }
  }
  for (const name of api.members.keys()) {
    inherit(api, parents, name);
  }
  return api;
}

function declare(api: Api, parents: Map<string, string[]>, node: ts.Statement): void {
  if (ts.isVariableStatement(node)) {
    for (const { name } of node.declarationList.declarations) {
      api.values.add(name.getText());
    }
  } else if (ts.isEnumDeclaration(node)) {
    api.values.add(node.name.text);
    api.enums.set(node.name.text, enumValues(node));
  } else if (ts.isModuleDeclaration(node) && node.body !== undefined && ts.isModuleBlock(node.body)) {
    api.values.add(node.name.text);
    node.body.statements.forEach((inner) => {
      names(inner).forEach((name) => add(api, node.name.text, name));
    });
  } else if (ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node)) {
    const name = node.name?.text ?? '';
    add(api, name);
    node.members.forEach((member) => {
      if (member.name !== undefined) {
        add(api, name, member.name.getText());
      }
      // `constructor(readonly a: …)` declares a member.
      if (ts.isConstructorDeclaration(member)) {
        member.parameters.filter((one) => (one.modifiers?.length ?? 0) > 0)
          .forEach((one) => add(api, name, one.name.getText()));
      }
    });
    const bases = (node.heritageClauses ?? []).flatMap((clause) => clause.types.map((type) => type.expression.getText()));
    parents.set(name, [...(parents.get(name) ?? []), ...bases]);
    if (ts.isClassDeclaration(node)) {
      api.values.add(name);
      api.classes.add(name);
    }
  }
}

function enumValues(node: ts.EnumDeclaration): Record<string, number | string> {
  const values: Record<string, number | string> = {};
  let next = 0;
  for (const member of node.members) {
    const given = member.initializer?.getText();
    const value = given === undefined ? next : (Number(given) || given === '0') ? Number(given) : given.slice(1, -1);
    values[member.name.getText()] = value;
    next = typeof value === 'number' ? value + 1 : next;
  }
  return values;
}

function names(node: ts.Statement): string[] {
  if (ts.isVariableStatement(node)) {
    return node.declarationList.declarations.map(({ name }) => name.getText());
  }
  return ts.isFunctionDeclaration(node) && node.name !== undefined ? [node.name.text] : [];
}

function add(api: Api, owner: string, member?: string): void {
  const members = api.members.get(owner) ?? new Set();
  api.members.set(owner, members);
  if (member !== undefined) {
    members.add(member);
  }
}

function inherit(api: Api, parents: Map<string, string[]>, name: string): Set<string> {
  const members = api.members.get(name) ?? new Set<string>();
  for (const parent of parents.get(name) ?? []) {
    inherit(api, parents, parent).forEach((member) => members.add(member));
  }
  return members;
}
