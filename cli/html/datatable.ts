/** A column of a table; numbers stand at the right. */
export interface Column {
  readonly name: string;
  readonly isNumber?: boolean;
}

/** A row: HTML by column. The first cell names the row. */
export type Row = readonly string[];

const classOf = ({ isNumber }: Column): string => (isNumber ? ' class="n"' : '');

const renderRow = (columns: readonly Column[], row: Row): string =>
  `<tr>${columns
    .map((column, index) => {
      const cell = row[index] ?? '';
      return index === 0
        ? `<th scope="row"${classOf(column)}>${cell}</th>`
        : `<td${classOf(column)} data-name="${column.name}">${cell}</td>`;
    })
    .join('')}</tr>`;

/** A table with a caption for those who don't see it; where the page is narrow each cell is shown with its column's name. */
export const renderDataTable = (
  caption: string,
  columns: readonly Column[],
  rows: readonly Row[],
): string => {
  const head = columns.map((column) => `<th scope="col"${classOf(column)}>${column.name}</th>`).join('');
  const body = rows.map((row) => renderRow(columns, row)).join('');
  return `<table><caption class="hidden">${caption}</caption><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
};
