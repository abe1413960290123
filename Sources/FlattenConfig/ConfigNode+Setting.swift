extension ConfigNode {
  /// The same with another value at a path of map keys, or with a new key at its end; `nil` takes the key away.
  ///
  /// A path that leads through what is no map changes nothing.
  package func setting(_ keys: [String], to value: ConfigNode?) -> ConfigNode {
    ConfigNode(file: file, path: path, tree: tree.setting(keys[...], to: value?.tree))
  }
}

extension Tree {
  fileprivate func setting(_ keys: ArraySlice<String>, to value: Tree?) -> Tree {
    guard let key = keys.first else { return value ?? self }
    guard case .map(var entries) = content else { return self }
    let rest = keys.dropFirst()
    if let index = entries.firstIndex(where: { $0.key == key }) {
      let entry = entries[index]
      if rest.isEmpty, value == nil {
        entries.remove(at: index)
      } else {
        entries[index] = Entry(
          key: key, line: entry.line, value: entry.value.setting(rest, to: value))
      }
    } else if rest.isEmpty, let value {
      entries.append(Entry(key: key, line: line, value: value))
    }
    return Tree(line: line, content: .map(entries))
  }
}
