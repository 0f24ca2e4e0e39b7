import { join } from 'node:path';
import type { Node } from 'typescript/unstable/ast';
import {
  isAsExpression,
  isBindingElement,
  isElementAccessExpression,
  isIdentifier,
  isInterfaceDeclaration,
  isIntersectionTypeNode,
  isObjectBindingPattern,
  isPropertyAccessExpression,
} from 'typescript/unstable/ast/is';
import {
  type API,
  type Checker,
  type Project,
  type Symbol as TsSymbol,
  type Type,
  TypeFlags,
} from 'typescript/unstable/sync';
import { openProject, walk } from './compiler.ts';

/** Where a field is declared; fields that two kinds share by one interface have one declaration. */
export type Declaration = string;

/** One field of a kind, as the code's types declare it. */
export interface DeclaredField {
  /** Path from the object, with list items as '[]' and any key of a map as '*': 'spec.containers[].name'. */
  readonly path: string;
  readonly declaration: Declaration;
}

/** A kind with a value in every declared field. */
export interface FullKind {
  readonly fields: readonly DeclaredField[];
  readonly sample: unknown;
}

/** Values of samples by path, where any text will not do. */
export type SampleValues = Readonly<Record<string, unknown>>;

const declarationOf = (symbol: TsSymbol): Declaration | undefined => {
  const [declared] = symbol.declarations;
  return declared && `${declared.path}#${declared.index}`;
};

/** What the compiler knows about the fields of Kubernetes objects: what is declared, and what is read where. */
export class FieldReads {
  readonly #root: string;
  readonly #objects: string;
  readonly #api: API;
  readonly #project: Project;
  readonly #checker: Checker;

  /** `objects` is the file that declares the fields. Throws where the compiler has no project at `root`. */
  constructor(root: string, objects: string) {
    this.#root = root;
    this.#objects = join(root, objects);
    const { api, project } = openProject(root);
    this.#api = api;
    this.#project = project;
    this.#checker = project.checker;
  }

  close(): void {
    this.#api.close();
  }

  /** The fields of a kind and a sample that has them all. Throws for a kind that is not declared. */
  kind(name: string, values: SampleValues): FullKind {
    const file = this.#project.program.getSourceFile(this.#objects);
    const declared = file?.statements.find((node) => isInterfaceDeclaration(node) && node.name.text === name);
    const symbol =
      declared && isInterfaceDeclaration(declared) && this.#checker.getSymbolAtLocation(declared.name);
    if (!symbol) throw new Error(`${this.#objects} declares no ${name}`);
    const fields: DeclaredField[] = [];
    const sample = this.#sampleOf(this.#checker.getDeclaredTypeOfSymbol(symbol), '', values, fields);
    return { fields, sample };
  }

  #sampleOf(given: Type, path: string, values: SampleValues, fields: DeclaredField[]): unknown {
    const checker = this.#checker;
    const type = checker.getNonNullableType(given) ?? given;
    if (path in values) return values[path];
    if (checker.isArrayLikeType(type)) {
      const item = checker.getIndexInfosOfType(type)[0]?.valueType;
      return item ? [this.#sampleOf(item, `${path}[]`, values, fields)] : [];
    }
    if ((type.flags & TypeFlags.BooleanLike) !== 0 || checker.typeToString(type) === 'boolean') return true;
    if ((type.flags & TypeFlags.NumberLike) !== 0) return 7;
    const properties = (type.flags & TypeFlags.Object) !== 0 ? checker.getPropertiesOfType(type) : [];
    const sample: Record<string, unknown> = {};
    for (const property of properties) {
      const declaration = declarationOf(property);
      const of = checker.getTypeOfSymbol(property);
      const at = path === '' ? property.name : `${path}.${property.name}`;
      if (declaration !== undefined) fields.push({ path: at, declaration });
      if (of) sample[property.name] = this.#sampleOf(of, at, values, fields);
    }
    if (properties.length > 0) return sample;
    const [index] = (type.flags & TypeFlags.Object) !== 0 ? checker.getIndexInfosOfType(type) : [];
    return index ? { key: this.#sampleOf(index.valueType, `${path}.*`, values, fields) } : 'text';
  }

  /** The declarations of `objects` that these files read, each with one of the files. */
  reads(paths: readonly string[]): ReadonlyMap<Declaration, string> {
    const found = new Map<Declaration, string>();
    for (const path of paths) {
      for (const symbol of this.#propertiesReadIn(path)) {
        const declaration = declarationOf(symbol);
        if (declaration?.startsWith(`${this.#objects}#`) && !found.has(declaration))
          found.set(declaration, path);
      }
    }
    return found;
  }

  #propertiesReadIn(path: string): TsSymbol[] {
    const accesses: Node[] = [];
    const patterns: { readonly pattern: Node; readonly names: string[] }[] = [];
    const file = this.#project.program.getSourceFile(join(this.#root, path));
    if (!file) throw new Error(`${path} is not part of the TypeScript project`);
    walk(file, (node) => {
      if (isPropertyAccessExpression(node)) accesses.push(node.name);
      if (!isObjectBindingPattern(node)) return;
      const names = node.elements.flatMap((element) => {
        const name = isBindingElement(element) ? (element.propertyName ?? element.name) : undefined;
        return name && isIdentifier(name) ? [name.text] : [];
      });
      patterns.push({ pattern: node, names });
    });
    const symbols = accesses.length > 0 ? this.#checker.getSymbolAtLocation(accesses) : [];
    const types =
      patterns.length > 0 ? this.#checker.getTypeAtLocation(patterns.map(({ pattern }) => pattern)) : [];
    const destructured = patterns.flatMap(({ names }, at) => {
      const type = types[at];
      const apparent = type && this.#checker.getNonNullableType(type);
      return apparent ? names.map((name) => this.#checker.getPropertyOfType(apparent, name)) : [];
    });
    return [...symbols, ...destructured].filter((symbol) => symbol !== undefined);
  }

  /** The keys of annotations that these files read by name, each with one of the files. */
  annotationsRead(paths: readonly string[]): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    for (const path of paths) {
      const keys: Node[] = [];
      const file = this.#project.program.getSourceFile(join(this.#root, path));
      if (!file) throw new Error(`${path} is not part of the TypeScript project`);
      walk(file, (node) => {
        if (!isElementAccessExpression(node)) return;
        const { expression, argumentExpression } = node;
        const name = isPropertyAccessExpression(expression) ? expression.name : expression;
        if (isIdentifier(name) && name.text === 'annotations') keys.push(argumentExpression);
      });
      const types = keys.length > 0 ? this.#checker.getTypeAtLocation(keys) : [];
      for (const type of types) {
        if (!type || (type.flags & TypeFlags.StringLiteral) === 0) continue;
        const key = JSON.parse(this.#checker.typeToString(type)) as string;
        if (!found.has(key)) found.set(key, path);
      }
    }
    return found;
  }

  /** Places where a file adds fields to a type of `objects`, so that it reads what is declared nowhere else. */
  widenings(paths: readonly string[]): string[] {
    return paths.flatMap((path) => {
      const file = this.#project.program.getSourceFile(join(this.#root, path));
      const found: string[] = [];
      if (file) {
        walk(file, (node) => {
          if (this.#isWidening(node)) {
            const line = file.text.slice(0, node.getStart(file)).split('\n').length;
            found.push(`${path}:${line}`);
          }
        });
      }
      return found;
    });
  }

  #isWidening(node: Node): boolean {
    if (isIntersectionTypeNode(node)) {
      const types = node.types.map((part) => this.#checker.getTypeFromTypeNode(part));
      return (
        types.some((type) => this.#isDeclared(type)) && types.some((type) => type && this.#hasOthers(type))
      );
    }
    if (!isAsExpression(node)) return false;
    const from = this.#checker.getTypeAtLocation(node.expression);
    const to = this.#checker.getTypeFromTypeNode(node.type);
    return this.#isDeclared(from) && to !== undefined && this.#hasOthers(to);
  }

  #propertiesOf(type: Type): readonly TsSymbol[] {
    const whole = this.#checker.getNonNullableType(type) ?? type;
    const isObject = (whole.flags & (TypeFlags.Object | TypeFlags.Intersection)) !== 0;
    return isObject && !this.#checker.isArrayLikeType(whole) ? this.#checker.getPropertiesOfType(whole) : [];
  }

  #isOurs(symbol: TsSymbol): boolean {
    return declarationOf(symbol)?.startsWith(`${this.#objects}#`) ?? false;
  }

  /** True for a type whose fields are all declared in `objects`. */
  #isDeclared(type: Type | undefined): boolean {
    const properties = type ? this.#propertiesOf(type) : [];
    return properties.length > 0 && properties.every((symbol) => this.#isOurs(symbol));
  }

  /** True for an object type with a field that `objects` does not declare. */
  #hasOthers(type: Type): boolean {
    return this.#propertiesOf(type).some((symbol) => !this.#isOurs(symbol));
  }
}
