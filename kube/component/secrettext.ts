import { z } from 'zod';

/** A URL without user and password, for logs and messages. */
export const withoutUserinfo = (text: string): string =>
  // What is no URL may have its @ anywhere.
  URL.canParse(text) ? text.replace(/\/\/[^/?#]*@/, '//') : text.replace(/\/\/.*@/s, '//');

/** Whether text holds user or password as a URL does. */
export const hasUserinfo = (text: string): boolean => /^([a-z][a-z0-9+.-]*:)?(\/\/)?[^/?#]*@/i.test(text);

/** Whether text can be the value of a header: printable and without spaces. */
export const isHeaderToken = (text: string): boolean => /^[\x21-\x7e]+$/.test(text);

/** A key that is sent to a server outside the cluster. It is shown nowhere, and refused where a header can't hold it. */
export const secretKey = (description: string) =>
  z
    .string()
    .refine((key) => key === '' || isHeaderToken(key), {
      message: 'it holds a space or a character that is not ASCII: look for a line break at its end',
    })
    .default('')
    .meta({ description, isSecret: true });
