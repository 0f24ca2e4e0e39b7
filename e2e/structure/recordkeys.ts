import { join } from 'node:path';
import { type Node, SyntaxKind } from 'typescript/unstable/ast';
import {
  isBinaryExpression,
  isCallExpression,
  isElementAccessExpression,
  isIdentifier,
  isPropertyAccessExpression,
} from 'typescript/unstable/ast/is';
import { type API, type Checker, type Project, type Type, TypeFlags } from 'typescript/unstable/sync';
import { openProject, walk } from './compiler.ts';

/** An object and the key that it is asked for. */
interface Access {
  readonly line: number;
  readonly object: Node;
  readonly key: Node;
}

/** Finds reads and writes of records by keys that the compiler knows to be no constants. */
export class RecordKeys {
  readonly #root: string;
  readonly #api: API;
  readonly #project: Project;
  readonly #checker: Checker;

  /** Throws where the compiler has no project at `root`. */
  constructor(root: string) {
    this.#root = root;
    const { api, project } = openProject(root);
    this.#api = api;
    this.#project = project;
    this.#checker = project.checker;
  }

  close(): void {
    this.#api.close();
  }

  /** `record[key]`, `key in record` and `Object.assign` in one file, as 'path:line'. */
  bareIn(path: string): string[] {
    const file = this.#project.program.getSourceFile(join(this.#root, path));
    if (!file) throw new Error(`${path} is not part of the TypeScript project`);
    const accesses: Access[] = [];
    const found: number[] = [];
    const lineOf = (node: Node): number => file.text.slice(0, node.getStart(file)).split('\n').length;
    walk(file, (node) => {
      if (isElementAccessExpression(node))
        accesses.push({ line: lineOf(node), object: node.expression, key: node.argumentExpression });
      else if (isBinaryExpression(node) && node.operatorToken.kind === SyntaxKind.InKeyword)
        accesses.push({ line: lineOf(node), object: node.right, key: node.left });
      else if (isCallExpression(node) && isAssignment(node.expression) && node.arguments[0]) {
        const into = this.#checker.getTypeAtLocation(node.arguments[0]);
        const isLiteral = node.arguments[0].kind === SyntaxKind.ObjectLiteralExpression;
        if (isLiteral || (into && this.#hasIndex(into))) found.push(lineOf(node));
      }
    });
    if (accesses.length > 0) {
      const objects = this.#checker.getTypeAtLocation(accesses.map(({ object }) => object));
      const keys = this.#checker.getTypeAtLocation(accesses.map(({ key }) => key));
      for (const [at, { line }] of accesses.entries()) {
        const [object, key] = [objects[at], keys[at]];
        if (object && key && this.#isOpen(key) && this.#isRecord(object)) found.push(line);
      }
    }
    return [...new Set(found)].sort((a, b) => a - b).map((line) => `${path}:${line}`);
  }

  /** True for a key that may be any text. */
  #isOpen(key: Type): boolean {
    if ((key.flags & (TypeFlags.String | TypeFlags.TemplateLiteral | TypeFlags.Any)) !== 0) return true;
    return (key.flags & TypeFlags.TypeParameter) !== 0 || this.#checker.typeToString(key) === 'string';
  }

  /** True for an object type with an index signature. */
  #hasIndex(given: Type): boolean {
    const type = this.#checker.getNonNullableType(given) ?? given;
    return (type.flags & TypeFlags.Object) !== 0 && this.#checker.getIndexInfosOfType(type).length > 0;
  }

  /** True for objects that are no lists; text only indexes those of whose fields the compiler knows nothing. */
  #isRecord(given: Type): boolean {
    const type = this.#checker.getNonNullableType(given) ?? given;
    if ((type.flags & TypeFlags.Any) !== 0) return true;
    if ((type.flags & (TypeFlags.Object | TypeFlags.Intersection | TypeFlags.Union)) === 0) return false;
    return !this.#checker.isArrayLikeType(type);
  }
}

const isAssignment = (callee: Node): boolean =>
  isPropertyAccessExpression(callee) &&
  callee.name.text === 'assign' &&
  isIdentifier(callee.expression) &&
  callee.expression.text === 'Object';
