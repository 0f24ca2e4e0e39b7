import t from 'tap';

/**
 * Said by a suite that loads the machine so much that clusters of others would suffer. The runner puts it beside files that
 * need nothing, and judges it by its import of this file.
 */
export const alone = (why: string): void => t.comment(`beside no other cluster: ${why}`);
