// The event API of libyaml is used, not Yams' node API: Yams composes recursively and hashes keys
// through their aliases, so a small hostile file could cost it the stack or hours. CYaml is the
// libyaml that the Yams package carries.
internal import CYaml

/// One syntactic event of a YAML stream, with the 1-based line it starts on.
struct YAMLEvent {
  enum Kind {
    case documentStart
    case documentEnd
    case alias(String)
    case scalar(text: String, plain: Bool, tag: String?, anchor: String?)
    case listStart(tag: String?, anchor: String?)
    case listEnd
    case mapStart(tag: String?, anchor: String?)
    case mapEnd
  }

  let kind: Kind
  let line: Int
}

/// A syntax error that libyaml found.
struct YAMLSyntaxError: Error {
  /// libyaml's message: the context and the problem.
  let problem: String
  /// 1-based; `nil` where libyaml gives no place.
  let line: Int?
}

extension YAMLEvent {
  /// Hands the events of `bytes` to `body`, one by one, until the stream ends or `body` throws.
  ///
  /// libyaml keeps a state machine, not a call stack, so nesting costs no recursion here; a `body`
  /// that throws at a limit also ends the reading there.
  ///
  /// - Throws: ``YAMLSyntaxError``, and the errors of `body`.
  static func read(_ bytes: [UInt8], _ body: (YAMLEvent) throws -> Void) throws {
    try bytes.withUnsafeBufferPointer { buffer in
      var parser = yaml_parser_t()
      guard yaml_parser_initialize(&parser) == 1 else {
        throw YAMLSyntaxError(problem: "out of memory", line: nil)
      }
      defer { yaml_parser_delete(&parser) }
      yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
      yaml_parser_set_input_string(&parser, buffer.baseAddress, buffer.count)

      while true {
        var event = yaml_event_t()
        guard yaml_parser_parse(&parser, &event) == 1 else {
          throw YAMLSyntaxError(parser)
        }
        defer { yaml_event_delete(&event) }
        if event.type == YAML_STREAM_END_EVENT { return }
        if let kind = Kind(event) {
          try body(YAMLEvent(kind: kind, line: Int(clamping: event.start_mark.line) + 1))
        }
      }
    }
  }
}

extension YAMLEvent.Kind {
  fileprivate init?(_ event: yaml_event_t) {
    switch event.type {
    case YAML_DOCUMENT_START_EVENT: self = .documentStart
    case YAML_DOCUMENT_END_EVENT: self = .documentEnd
    case YAML_ALIAS_EVENT:
      self = .alias(text(event.data.alias.anchor) ?? "")
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      let content = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
      self = .scalar(
        text: String(decoding: content, as: UTF8.self),  // libyaml has checked the encoding
        plain: scalar.style == YAML_PLAIN_SCALAR_STYLE,
        tag: text(scalar.tag), anchor: text(scalar.anchor))
    case YAML_SEQUENCE_START_EVENT:
      let list = event.data.sequence_start
      self = .listStart(tag: text(list.tag), anchor: text(list.anchor))
    case YAML_SEQUENCE_END_EVENT: self = .listEnd
    case YAML_MAPPING_START_EVENT:
      let map = event.data.mapping_start
      self = .mapStart(tag: text(map.tag), anchor: text(map.anchor))
    case YAML_MAPPING_END_EVENT: self = .mapEnd
    default: return nil
    }
  }
}

extension YAMLSyntaxError {
  fileprivate init(_ parser: yaml_parser_t) {
    let met = parser.problem.map { String(cString: $0) } ?? "is not YAML"
    let doing = parser.context.map { String(cString: $0) + ": " } ?? ""
    problem = doing + met
    switch parser.error {
    case YAML_SCANNER_ERROR, YAML_PARSER_ERROR:
      line = Int(clamping: parser.problem_mark.line) + 1
    default:
      line = nil
    }
  }
}

/// A copy of a C string, or `nil` for none.
private func text(_ pointer: UnsafePointer<UInt8>?) -> String? {
  pointer.map { String(cString: $0) }
}
