// Package heads is the order index: it answers "which items have the highest score?" without looking at every item.
//
// For each signal type and half-life it keeps a [Column], the log-scores of all items by ordinal, and with it a head:
// the items above a bar, a few thousand at most. Log-scores keep their order as time passes, so neither has to be
// touched until an event comes. The engine tells of each cell that changed, and a reader takes the best:
//
//	columns.CellChanged(item, views, cell)
//	…
//	columns.Settle()
//	…
//	column, ok := columns.Column(views, halfLife)
//	best, exact := column.Top(500, accept, best[:0])
//	if !exact {
//		best = column.Scan(500, accept, best[:0])
//	}
//
// Beside it there is one column a type of how much an item's last hour stands out ([Columns.Rising]), its number of
// events ([Columns.Total]), and heads without columns for cohorts ([Columns.CohortTop]).
//
// All of it is a view: a function of the cells that it was told of last, whatever came before. It is never stored, and
// feeding it with all cells, in any order, builds it again. It doesn't read cells by itself, knows ordinals rather than
// ids, and leaves ties to its caller: whatever ties with the last of the best is returned too.
package heads

// What must hold, and what follows from it.
//
//	head     the items whose value is above the bar, all of them and no others
//
// So the column alone says who is a member: a change from old to new concerns the head iff one of them is above the
// bar, and an event of an unpopular item costs two comparisons. The bar rises when the head overflows: it becomes the
// value of the best item left out, and what ties with it goes as well. It falls only when the head is built anew.
//
// A head that holds k accepted items is exact for k. One with fewer is exact only if its bar is none, that is, if
// nothing was left out. There is nothing else to get wrong: a short head is not a wrong one.
//
// Heads run short when members sink: compensations, deletions, and for Rising the passing of a burst. Then the head is
// built anew from the column, a piece at a time in Refresh, so that nobody waits for a million items:
//
//	items   0 ……………………………… cursor ……………………………… n
//	next    above its bar ⇔ member │ not looked at
//
// A change below the cursor is made to the next head too; one behind it will be seen when the cursor comes by. Each
// departure pays for about 1,024 items of that walk, so that a storm of them is amortised.
//
// Cohorts have no columns: a member is found by its number, and a head is built anew from cells that the engine reads.
//
// Why Rising is computed at once, rather than noted and refreshed at the end of a batch: the two counts cost 30 to 90 ns
// while the cell is at hand. Reading it again later costs a look-up and a decoding, 200 ns and more, and of the cells of
// a batch under Zipf's law too few are met twice to make that up.
//
// What changes wait for is told at Settle. Without it an event took 100 to 200 ns more where items lie anywhere among a
// million, and as much for each of its cohorts, whose heads are 25 MB together where there are two hundred and fifty.
