import { AwsError } from './errors.ts';
import { type Form, integer, text } from './form.ts';

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextToken: string | undefined;
}

export interface PageRequest {
  readonly maxResults: number | undefined;
  readonly nextToken: string | undefined;
}

const encode = (key: string): string => Buffer.from(`after:${key}`).toString('base64url');

const decode = (token: string): string => {
  const plain = Buffer.from(token, 'base64url').toString();
  if (!plain.startsWith('after:'))
    throw new AwsError(
      'InvalidPaginationToken',
      'The specified pagination token is not valid or is expired.',
    );
  return plain.slice('after:'.length);
};

/**
 * One page of items in the order of their unique keys. The token names the last key given out, so items that come or go
 * between two pages never make another one appear twice or not at all.
 */
export const pageOf = <T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  request: PageRequest,
  limit: number,
): Page<T> => {
  const { maxResults, nextToken } = request;
  if (maxResults !== undefined && (maxResults < 1 || maxResults > limit))
    throw new AwsError(
      'InvalidParameterValue',
      `Value ( ${maxResults} ) for parameter maxResults is invalid. Expecting a value between 1 and ${limit}.`,
    );
  const after = nextToken === undefined || nextToken === '' ? undefined : decode(nextToken);
  const rest = items
    .map((item) => ({ item, key: keyOf(item) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .filter(({ key }) => after === undefined || key > after);
  const page = rest.slice(0, maxResults ?? limit);
  const last = page.at(-1);
  return {
    items: page.map(({ item }) => item),
    nextToken: last !== undefined && rest.length > page.length ? encode(last.key) : undefined,
  };
};

export const pageRequest = (form: Form): PageRequest => ({
  maxResults: integer(form, 'MaxResults'),
  nextToken: text(form, 'NextToken'),
});
