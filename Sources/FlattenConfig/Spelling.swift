/// The word of `known` nearest to `word`, for "did you mean"; `nil` where none is near.
///
/// Near is an optimal-string-alignment distance (insert, delete, replace, swap neighbours; case is
/// free) of at most a third of the longer word, but never less than one.
package func nearestSpelling(to word: String, among known: [String]) -> String? {
  guard word.utf8.count <= 100 else { return nil }
  var best: (word: String, distance: Int)?
  for candidate in known {
    let distance = editDistance(Array(word.lowercased().utf8), Array(candidate.lowercased().utf8))
    let longest = max(word.utf8.count, candidate.utf8.count)
    guard distance <= max(1, longest / 3) else { continue }
    if distance < best?.distance ?? .max { best = (candidate, distance) }
  }
  return best?.word
}

/// Optimal-string-alignment distance, by rows.
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
  var beforePrevious: [Int] = []
  var previous = Array(0...b.count)
  for i in a.indices {
    var row = [i + 1]
    for j in b.indices {
      var cost = min(previous[j + 1] + 1, row[j] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
        cost = min(cost, beforePrevious[j - 1] + 1)
      }
      row.append(cost)
    }
    beforePrevious = previous
    previous = row
  }
  return previous[b.count]
}
