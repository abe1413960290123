import FlattenRegions

/// `--flip`, alone or with directions: `--flip`, `--flip vertical`, `--flip horizontal diagonal`.
enum FlipArguments {
  /// The arguments with each direction in an option of its own, `--flip=vertical`; alone it is
  /// `--flip=horizontal`. What follows it and is no direction, such as a picture, stays an argument.
  static func spelledOut(_ arguments: [String]) -> [String] {
    let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
    var result: [String] = []
    var index = arguments.startIndex
    while index < end {
      guard arguments[index] == "--flip" else {
        result.append(arguments[index])
        index += 1
        continue
      }
      let directions = arguments[(index + 1)..<end].prefix { Flip(rawValue: $0) != nil }
      let given = directions.isEmpty ? [Flip.horizontal.rawValue] : Array(directions)
      result += given.map { "--flip=\($0)" }
      index += 1 + directions.count
    }
    return result + arguments[end...]
  }
}
